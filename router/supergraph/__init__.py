"""What composition makes and planning reads: the model, its SDL, field sets, reachability, the API schema."""
