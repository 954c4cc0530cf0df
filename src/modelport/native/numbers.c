/* JSON numbers to binary ones. Nearly all of them have up to 19 digits and a small exponent: those are computed here,
 * exactly; the others go through Python's own conversion, which is right for all of them. */

#include "numbers.h"

#include <Python.h>
#include <string.h>

#define MOST_DIGITS 19 /* of a number that surely fits into 64 bits */
#define LONGEST 511    /* characters of a number that are looked at */
#define EXACT_POWER 22 /* 10^22 is the largest power of ten that a double holds exactly */
#define SMALLEST_POWER 27 /* 5^27 is the largest power of five that fits into 64 bits */

static const double tens[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                             1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
static const uint64_t fives[SMALLEST_POWER + 1] = {
    1ULL, 5ULL, 25ULL, 125ULL, 625ULL, 3125ULL, 15625ULL, 78125ULL, 390625ULL, 1953125ULL, 9765625ULL, 48828125ULL,
    244140625ULL, 1220703125ULL, 6103515625ULL, 30517578125ULL, 152587890625ULL, 762939453125ULL, 3814697265625ULL,
    19073486328125ULL, 95367431640625ULL, 476837158203125ULL, 2384185791015625ULL, 11920928955078125ULL,
    59604644775390625ULL, 298023223876953125ULL, 1490116119384765625ULL, 7450580596923828125ULL};

static inline int is_digit(char c) { return (unsigned char)(c - '0') < 10; }

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define EIGHT_AT_ONCE 1
#else
#define EIGHT_AT_ONCE 0
#endif

/* Whether eight characters are all digits: none is below '0', and none gets over '9' by adding 6 to its lower half. */
static inline int are_digits(uint64_t eight) {
    return ((eight & 0xF0F0F0F0F0F0F0F0ULL) | (((eight + 0x0606060606060606ULL) & 0xF0F0F0F0F0F0F0F0ULL) >> 4)) ==
           0x3333333333333333ULL;
}

/* The value of eight digits, the first one in the lowest byte: pairs, then fours, then all of them. */
static inline uint32_t value_of(uint64_t eight) {
    eight -= 0x3030303030303030ULL;
    eight = eight * 10 + (eight >> 8);
    eight = ((eight & 0x000000FF000000FFULL) * 0x000F424000000064ULL +
             ((eight >> 16) & 0x000000FF000000FFULL) * 0x0000271000000001ULL) >> 32;
    return (uint32_t)eight;
}

/* Digits from `p` on are added to *value, which may wrap around; the first character that is none. */
static inline const char *take_digits(const char *p, const char *end, uint64_t *value) {
    uint64_t sum = *value, eight;
    while (EIGHT_AT_ONCE && end - p >= 8 && (memcpy(&eight, p, 8), are_digits(eight))) {
        sum = sum * 100000000ULL + value_of(eight);
        p += 8;
    }
    while (p < end && is_digit(*p)) {
        sum = sum * 10 + (uint64_t)(*p++ - '0');
    }
    *value = sum;
    return p;
}

static double convert_slowly(const char *start, const char *end, int *good) {
    char text[LONGEST + 1];
    size_t length = (size_t)(end - start);
    *good = 0;
    if (length > LONGEST) {
        return 0.0;
    }
    memcpy(text, start, length);
    text[length] = 0;
    double number = PyOS_string_to_double(text, NULL, PyExc_OverflowError);
    if (number == -1.0 && PyErr_Occurred()) {
        PyErr_Clear();
        return 0.0;
    }
    *good = 1;
    return number;
}

#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 wide;

static inline double power_of_two(int exponent) { /* of a normal double */
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double power;
    memcpy(&power, &bits, 8);
    return power;
}

/* `high` (its top bit set) : 2^63, divided by `divisor` (likewise): the quotient has 63 or 64 bits. */
static inline uint64_t divide(uint64_t high, uint64_t divisor, uint64_t *rest) {
#if defined(__x86_64__) && defined(__GNUC__)
    uint64_t quotient; /* the compiler does not know that it fits into 64 bits, and would call a function */
    __asm__("divq %4" : "=a"(quotient), "=d"(*rest) : "0"(high << 63), "1"(high >> 1), "r"(divisor) : "cc");
    return quotient;
#else
    wide dividend = (wide)high << 63;
    *rest = (uint64_t)(dividend % divisor);
    return (uint64_t)(dividend / divisor);
#endif
}

/* digits × 10^exponent where digits ≠ 0 and −27 ≤ exponent ≤ 19. At least 63 bits of the result are known and whether
 * anything is behind them, so that converting them rounds once, to the nearest double. */
static double scale(uint64_t digits, int exponent) {
    if (exponent < 0) {
        uint64_t rest, divisor = fives[-exponent];
        int left = __builtin_clzll(digits), up = __builtin_clzll(divisor);
        uint64_t quotient = divide(digits << left, divisor << up, &rest);
        return (double)(quotient | (rest != 0)) * power_of_two(up - left - 63 + exponent);
    }
    wide product = (wide)digits * (fives[exponent] << exponent);
    uint64_t high = (uint64_t)(product >> 64);
    if (high == 0) {
        return (double)(uint64_t)product;
    }
    int left = __builtin_clzll(high);
    product <<= left;
    high = (uint64_t)(product >> 64) | ((uint64_t)product != 0);
    return (double)high * power_of_two(64 - left);
}
#define CAN_SCALE(exponent) ((exponent) >= -SMALLEST_POWER && (exponent) <= 19)
#else
#define CAN_SCALE(exponent) 0
static double scale(uint64_t digits, int exponent) { return digits ? (double)exponent : 0.0; /* never called */ }
#endif

/* The exponent behind an 'e', with a bound that no double reaches; NULL where there is none. */
static const char *take_exponent(const char *p, const char *end, int *exponent) {
    int negative = 0, value = 0;
    if (p < end && (*p == '+' || *p == '-')) {
        negative = *p++ == '-';
    }
    if (p == end || !is_digit(*p)) {
        return NULL;
    }
    while (p < end && is_digit(*p)) {
        if (value < 100000) {
            value = value * 10 + (*p - '0');
        }
        p++;
    }
    *exponent += negative ? -value : value;
    return p;
}

static int count_significant(const char *first, const char *end) {
    int count = 0;
    for (const char *p = first; p < end; p++) {
        count += is_digit(*p) && (count || *p != '0');
    }
    return count;
}

int read_real(const char **at, const char *end, double *number) {
    const char *start = *at, *p = start;
    uint64_t digits = 0;
    int exponent = 0, whole = 1, negative = p < end && *p == '-', good = 1;
    p += negative;
    const char *first = p, *last;
    if (p == end || !is_digit(*p)) {
        return 0;
    }
    if (*p == '0') {
        p++;
        if (p < end && is_digit(*p)) {
            return 0;
        }
    } else {
        p = take_digits(p, end, &digits);
    }
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        p = take_digits(p, end, &digits);
        if (p == fraction || p - fraction > LONGEST) {
            return 0;
        }
        exponent = -(int)(p - fraction);
        whole = 0;
    }
    last = p;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p = take_exponent(p + 1, end, &exponent);
        if (p == NULL) {
            return 0;
        }
        whole = 0;
    }
    *at = p;
    double value;
    if (last - first > MOST_DIGITS && count_significant(first, last) > MOST_DIGITS) {
        value = convert_slowly(first, p, &good);
    } else if (digits == 0) {
        value = 0.0;
    } else if (digits <= (1ULL << 53) && exponent >= -EXACT_POWER && exponent <= EXACT_POWER) {
        value = exponent < 0 ? (double)digits / tens[-exponent] : (double)digits * tens[exponent];
    } else if (CAN_SCALE(exponent)) {
        value = scale(digits, exponent);
    } else {
        value = convert_slowly(first, p, &good);
    }
    *number = negative && !(whole && value == 0.0) ? -value : value; /* "-0" is the integer 0 */
    return good;
}

int read_integer(const char **at, const char *end, int *negative, uint64_t *magnitude) {
    const char *p = *at;
    *negative = p < end && *p == '-';
    p += *negative;
    const char *first = p;
    if (p == end || !is_digit(*p)) {
        return 0;
    }
    *magnitude = 0;
    p = take_digits(p, end, magnitude);
    if ((*first == '0' && p - first > 1) || p - first > MOST_DIGITS + 1) {
        return 0;
    }
    if (p - first == MOST_DIGITS + 1) { /* 20 digits: those of 2^64 and more have wrapped around */
        uint64_t most = 0;
        take_digits(first, first + MOST_DIGITS, &most);
        if (__builtin_mul_overflow(most, (uint64_t)10, &most) ||
            __builtin_add_overflow(most, (uint64_t)(first[MOST_DIGITS] - '0'), &most)) {
            return 0;
        }
    }
    if (p < end && (*p == '.' || *p == 'e' || *p == 'E')) {
        return 0;
    }
    *at = p;
    return 1;
}
