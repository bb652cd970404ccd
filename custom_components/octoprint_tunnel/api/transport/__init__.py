"""How a request travels: addresses, one hop, and the choice between the local network and the tunnel."""
