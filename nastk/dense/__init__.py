"""Dense prediction over a backbone's feature maps: tasks that say something of every pixel, or of objects."""
