/* JSON numbers to binary ones, rounded exactly as Python's float() and int() round them. */

#ifndef MODELPORT_NUMBERS_H
#define MODELPORT_NUMBERS_H

#include <stdint.h>

/* Both read the number that begins at *at, never a byte from `end` on, and leave *at behind it. They give 0 where there
 * is no JSON number, where it has no place in the type, or where it is not written as an integer should be. */
int read_real(const char **at, const char *end, double *number);
int read_integer(const char **at, const char *end, int *negative, uint64_t *magnitude);

#endif
