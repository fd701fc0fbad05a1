"""What Handrail does with a message: functions from a message and the ports it needs to a result."""
