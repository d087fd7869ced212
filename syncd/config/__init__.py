"""The configuration: YAML files read into frozen settings, with every fault's place."""
