/* SPDX-License-Identifier: MIT */
/* The backends pass the conformance suite over the fake, in each environment. */
#define _DEFAULT_SOURCE
#include "backends.h"
#include "conform.h"

static void all_conform_where_the_env_knows_l1_tables(void **state)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		setup(state);
		env.features = PTEBATCH_ENV_MAP_KNOWS_L1 |
			       (i & 1 ? PTEBATCH_ENV_PRESERVE_AD : 0) |
			       (i & 2 ? PTEBATCH_ENV_ADDR_OF_SLOT : 0);
		if (i & 4)
			conform(&ptebatch_mmu_update, &env,
				"mmu-update, L1 tables known");
		fake.has_runs = i & 1;
		fake.has_values = i >> 1 & 1;
		conform(&ptebatch_hypercall, &env,
			"hypercall, L1 tables known");
		env.tlb = flush_alone;
		conform(&ptebatch_native, &env, "native, L1 tables known");
	}
}

static void mmu_update_conforms_with_addresses_of_slots(void **state)
{
	(void)state;
	env.features |= PTEBATCH_ENV_ADDR_OF_SLOT;
	conform(&ptebatch_mmu_update, &env, "mmu-update, addresses promised");
	env.features = PTEBATCH_ENV_ADDR_OF_SLOT;
	conform(&ptebatch_mmu_update, &env,
		"mmu-update without PRESERVE_AD, addresses promised");
}

static void mmu_update_conforms(void **state)
{
	(void)state;
	conform(&ptebatch_mmu_update, &env, "mmu-update");
}

static void mmu_update_conforms_without_preserve_ad(void **state)
{
	(void)state;
	env.features = 0;
	conform(&ptebatch_mmu_update, &env, "mmu-update without PRESERVE_AD");
	env.features = PTEBATCH_ENV_TRANSIENT_OK;
	conform(&ptebatch_mmu_update, &env, "mmu-update, two steps");
}

static void hypercall_conforms(void **state)
{
	(void)state;
	conform(&ptebatch_hypercall, &env, "hypercall");
}

static void hypercall_conforms_with_one_call_or_none(void **state)
{
	(void)state;
	fake.has_runs = 0;
	conform(&ptebatch_hypercall, &env, "hypercall without runs");
	fake.has_values = 0;
	conform(&ptebatch_hypercall, &env, "hypercall without either");
	fake.has_runs = 1;
	conform(&ptebatch_hypercall, &env, "hypercall without values");
}

static void hypercall_conforms_with_each_set_of_operations(void **state)
{
	static const uint32_t ops[] = { 3, 7, 11 };
	unsigned int i, few;

	(void)state;
	for (i = 0; i < 3; i++)
		for (few = 0; few < 2; few++) {
			fake_reset(&env);
			fake.ops = ops[i];
			fake.most_records = few ? 2 : 1u << 30;
			conform(&ptebatch_hypercall, &env,
				"hypercall, an older Xen");
		}
}

static void hypercall_conforms_with_few_records_a_call(void **state)
{
	(void)state;
	fake.most_records = 2;
	conform(&ptebatch_hypercall, &env, "hypercall of two records");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_conform_where_the_env_knows_l1_tables),
		TEST(mmu_update_conforms_with_addresses_of_slots),
		TEST(mmu_update_conforms),
		TEST(mmu_update_conforms_without_preserve_ad),
		TEST(hypercall_conforms),
		TEST(hypercall_conforms_with_one_call_or_none),
		TEST(hypercall_conforms_with_each_set_of_operations),
		TEST(hypercall_conforms_with_few_records_a_call),
	};

	return cmocka_run_group_tests_name("conform", tests, NULL, NULL);
}
