"""Speed measurements. Alternatives are interleaved in one run and reported as ratios with their spread."""
