"""What all features' types have in common: IDs, errors, pages, cursors, inputs."""
