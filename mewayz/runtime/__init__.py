"""The platform on one machine: `up` in the foreground, the supervisor behind it, the zygote that forks every module."""
