"""``python -m sendonce.simulator``: the command ``sendonce simulator`` by itself."""

import typer

from sendonce.cli.simulator import register

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
register(app)

if __name__ == "__main__":
    app(prog_name="sendonce simulator")
