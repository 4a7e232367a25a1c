"""What a watch keeps of its attempts, and how it draws them."""
