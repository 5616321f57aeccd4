"""An embedded storage server speaking the Azure Blob REST dialect, for trying and testing without a cloud."""
