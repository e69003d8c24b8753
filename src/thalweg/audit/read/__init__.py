"""What is audited, read: results of this program, and files of any other."""
