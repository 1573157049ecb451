"""The stand-in for Qdrant's server, the proxy that cuts the way to it, and what starts and ends them."""
