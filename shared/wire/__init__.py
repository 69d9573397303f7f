"""All that crosses a process border: principal and tokens, event envelope, receipts, the supervisor's control socket."""
