"""Training of candidates and of the final network: data, batches on the device, Lightning settings, transfer."""
