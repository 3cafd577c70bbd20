"""DNS servers, each asked by itself: does it answer, with the code and the records that are expected."""
