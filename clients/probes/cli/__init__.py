"""The command line: parsing, dispatch and printing. The only place that knows argparse."""
