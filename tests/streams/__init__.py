"""The stream on a real Kafka: worker processes, killed and poisoned, and what must be true of the topics afterwards."""
