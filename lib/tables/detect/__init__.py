"""Detection of how a text file is written, from its bytes to its table schema.

The steps, in this order:

1. ``raw_files``: the first bytes, decompressed, and refused if they are of another file type.
2. ``byte_scanner``: one pass over all bytes; NUL bytes, quotes, and evidence about the encoding.
3. ``encodings``: the encoding, from a byte order mark or that evidence.
4. ``separators``: separator, quote and escape character, each candidate rated by the ``records`` it yields.
5. ``header_detection``: titles, and the rows of the header, which ``cell_shapes`` tells from data.
6. ``footer_lines``: footnotes and empty rows at the end of the file.
7. ``type_inference``: the types that pyarrow infers from samples of the rows; ``files`` then reads all of them.
8. ``second_tables``: the header of a second table among the rows.
9. ``footer_rows``: rows of units and totals among the rows that were read.
10. ``schema_inference``: the kind of each column, with its formats.

``dialect_detection`` takes steps 1 to 6 and returns a ``dialect.Dialect``.
"""
