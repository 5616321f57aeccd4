"""The clouds: the only room that imports azure.*, obstore and the like."""
