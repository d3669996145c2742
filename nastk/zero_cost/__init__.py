"""Zero-cost proxies: what an untrained network is worth, from one batch of images, in seconds."""
