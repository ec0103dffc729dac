/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "tool.h"

#define DEPTH 8
#define WIDTH 26

bool json;

static struct {
	unsigned int depth;
	bool some[DEPTH];  /* a comma must precede the next member */
	bool array[DEPTH]; /* members have no key */
} at;

static void quoted(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

/* In text, "_" of a key is a blank, and a member of an array begins with "-". */
static void key(const char *k, bool opens)
{
	if (json) {
		if (at.some[at.depth])
			putchar(',');
		at.some[at.depth] = true;
		if (k && at.depth && !at.array[at.depth]) {
			quoted(k);
			putchar(':');
		}
		return;
	}
	printf("%*s", (int)(at.depth ? 2 * (at.depth - 1) : 0), "");
	if (at.array[at.depth]) {
		printf("- ");
		return;
	}
	if (!k)
		return;
	for (; *k; k++)
		putchar(*k == '_' ? ' ' : *k);
	if (opens)
		putchar('\n');
}

static void value_key(const char *k)
{
	int used = (int)(2 * at.depth + (k ? strlen(k) : 0));

	key(k, false);
	if (!json && !at.array[at.depth])
		printf("%*s", used < WIDTH ? WIDTH - used : 1, "");
}

static void open_one(const char *k, bool array)
{
	if (json || k)
		key(k, true);
	if (at.depth + 1 < DEPTH)
		at.depth++;
	at.some[at.depth] = false;
	at.array[at.depth] = array;
	if (json)
		putchar(array ? '[' : '{');
}

void out_begin(void)
{
	at.depth = 0;
	at.some[0] = at.array[0] = false;
	open_one(NULL, false);
}

void out_object(const char *k)
{
	open_one(k, false);
}

void out_array(const char *k)
{
	open_one(k, true);
}

void out_close(void)
{
	if (json)
		putchar(at.array[at.depth] ? ']' : '}');
	at.depth--;
}

void out_end(void)
{
	out_close();
	if (json)
		putchar('\n');
	fflush(stdout);
}

void out_string(const char *k, const char *value)
{
	value_key(k);
	if (json)
		quoted(value);
	else
		printf("%s\n", value);
}

void out_number(const char *k, uint64_t value)
{
	value_key(k);
	printf(json ? "%llu" : "%llu\n", (unsigned long long)value);
}

/* JSON has no hexadecimal numbers, and no safe ones above 2^53. */
void out_hex(const char *k, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	out_string(k, text);
}

void out_bool(const char *k, bool value)
{
	value_key(k);
	if (json)
		printf(value ? "true" : "false");
	else
		printf(value ? "yes\n" : "no\n");
}
