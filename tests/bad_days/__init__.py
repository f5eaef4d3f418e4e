"""What the provider and the network do on a bad day, played to real workers by the simulator."""
