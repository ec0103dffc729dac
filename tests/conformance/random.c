/* SPDX-License-Identifier: MIT */
/* Random batches have the results that a model of the library gives. */
#include "../common/random.h"
#include "suite.h"

static const struct ptebatch_tlb flush_local = { PTEBATCH_TLB_LOCAL, 0, 0, 0,
						 0 };

static uint64_t seed;

static uint32_t random32(void)
{
	return (uint32_t)(xorshift64(&seed) >> 16);
}

static uint64_t model[2][SLOTS];

static uint64_t random_flags(void)
{
	return P | US | (random32() & (RW | A | D | AVAIL)) |
	       (random32() & 1 ? NX : 0);
}

static const char *random_step(struct conf_world *w)
{
	uint64_t masks = RW | AVAIL | NX, clear, set, slot, pte, e;
	uint32_t t = random32() % 2, s = random32() % SLOTS, i;
	uint32_t count = 1 + random32() % 40;
	uint32_t mode;

	if (count > SLOTS - s)
		count = SLOTS - s;
	if (!no(w, CONF_NO_CLEAR_AD))
		masks |= A | D;
	slot = slot_of(w, t, s);
	switch (random32() % 8) {
	case 0:
		if (no(w, CONF_NO_OLD | CONF_NO_EXACT))
			return NULL;
		CHECK(!ptebatch_add_clear(&conf_batch, slot, count, NULL));
		for (i = 0; i < count; i++)
			model[t][s + i] = 0;
		return NULL;
	case 1:
	case 2:
		mode = random32() & 1 && !no(w, CONF_NO_EXACT) ? EXACT : KEEP;
		pte = random32() % 8 ? entry(w, random32(), random_flags())
				     : 0;
		if (!pte)
			mode = no(w, CONF_NO_EXACT) ? KEEP : EXACT;
		e = model[t][s];
		CHECK(!ptebatch_add_set(&conf_batch, slot, pte, mode));
		model[t][s] = mode == KEEP ? pte | (e & (A | D)) : pte;
		return NULL;
	case 3:
		if (random32() % 4)
			return NULL;
		CHECK(!ptebatch_flush(&conf_batch,
				      random32() & 1 ? &flush_local : NULL));
		return NULL;
	default:
		clear = random32() & masks;
		set = random32() & masks;
		if (random32() & 1)
			clear |= NX;
		CHECK(!ptebatch_add_flags(&conf_batch, slot, count, clear, set));
		for (i = 0; i < count; i++) {
			e = model[t][s + i];
			if (e & P)
				model[t][s + i] = (e & ~clear) | set;
		}
		return NULL;
	}
}

static const char *random_batches_match_the_model(struct conf_world *w)
{
	const char *why;
	uint32_t t, i, step;
	uint64_t e;

	CHECK(!init(w, 16 * sizeof(struct ptebatch_run)));
	seed = 0x9e3779b97f4a7c15ull;
	for (t = 0; t < 2; t++)
		for (i = 0; i < SLOTS; i++) {
			e = random32() % 4 ? entry(w, i, random_flags()) : 0;
			w->write(w, t, i, e);
			model[t][i] = e;
		}
	for (step = 0; step < 2000; step++) {
		why = random_step(w);
		if (why)
			return why;
		if (step % 16 || !w->env->map)
			continue;
		t = random32() % 2;
		i = random32() % SLOTS;
		CHECK(!ptebatch_peek(&conf_batch, slot_of(w, t, i), &e));
		CHECK(same(w, e, model[t][i]));
	}
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
	CHECK(conf_batch.counters.queued == conf_batch.counters.flushed);
	for (t = 0; t < 2; t++)
		for (i = 0; i < SLOTS; i++)
			CHECK(holds(w, t, i, model[t][i]));
	return NULL;
}

const struct conf_test conf_random[] = {
	TEST(random_batches_match_the_model),
	{ NULL, NULL, NULL },
};
