"""What passes between the steps of a conversion: values, and no step."""
