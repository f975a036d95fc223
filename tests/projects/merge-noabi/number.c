#define _GNU_SOURCE
#include <stdlib.h>

/* See merge-abi3: on a newer glibc this is another symbol. */
int number(const char *text) { return (int)strtol(text, NULL, 10); }
