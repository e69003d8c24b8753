"""The checks, a file each, or a file for a few that look at the same thing."""
