"""What operators see: health, and later metrics."""
