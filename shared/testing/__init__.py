"""What tests of modules stand on: sample values, and the suite that every module passes."""
