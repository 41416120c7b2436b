"""How payments are decided: rule language, profiles, model, policy and engine. No Kafka, no asyncio, no clock."""
