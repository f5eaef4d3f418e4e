"""The proof: crashes, races, lost replies, and nobody gets a message twice; see README.md."""
