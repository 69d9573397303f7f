"""No query reaches another company's data: the proof, and the threats that are properties of the code itself."""
