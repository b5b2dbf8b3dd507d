"""The command line: `investlab db|data|backtest|pipeline|…`; every error is one sentence with a remedy."""
