"""Data contracts in the Open Data Contract Standard 3.1 (https://bitol-io.github.io/open-data-contract-standard)."""
