"""The console: a page that shows the node, its calls and subscribers, and the API calls behind it."""
