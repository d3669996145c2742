"""The machines that networks are made for, one file each: how a network costs, is written and is measured there."""
