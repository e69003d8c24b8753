"""A local web application that shows studies and runs, while they train and afterwards."""
