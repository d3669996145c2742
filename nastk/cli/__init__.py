"""What every entry point does with its command line: launching, passwords, interrupts, sweeps."""
