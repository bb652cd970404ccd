"""What OctoPrint says: its REST API and its models, over any route."""
