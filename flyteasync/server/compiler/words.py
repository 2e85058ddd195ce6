"""The names of the nodes that every workflow has."""

START = "start-node"
END = "end-node"
