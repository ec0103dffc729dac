/* SPDX-License-Identifier: MIT */
/*
 * <ptebatch/guest.h> with a hypercall page of our own: its code stores the
 * argument registers, and then overwrites every register that Xen may change.
 * With an answer of -ENOSYS, Xen has changed only those of the arguments that
 * tell a preempted call's progress.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <ptebatch/guest.h>

#define NR 50

extern char page[];
uint64_t stored[6]; /* number, arguments */
uint64_t answer;
uint64_t after[3]; /* arguments 2 to 4 */

__asm__(".text\n"
	".balign 4096\n"
	"page:\n"
	".set nr, 0\n"
	".rept 128\n"
	"	.balign 32\n"
	"	push $nr\n"
	"	jmp 1f\n"
	"	.set nr, nr + 1\n"
	".endr\n"
	"1:\n"
	"	pop %rax\n"
	"	mov %rax, stored(%rip)\n"
	"	mov %rdi, stored+8(%rip)\n"
	"	mov %rsi, stored+16(%rip)\n"
	"	mov %rdx, stored+24(%rip)\n"
	"	mov %r10, stored+32(%rip)\n"
	"	mov %r8, stored+40(%rip)\n"
	"	mov $-1, %rdi\n"
	"	mov after(%rip), %rsi\n"
	"	mov after+8(%rip), %rdx\n"
	"	mov after+16(%rip), %r10\n"
	"	mov %rdi, %r8\n"
	"	mov %rdi, %rcx\n"
	"	mov %rdi, %r11\n"
	"	mov answer(%rip), %rax\n"
	"	ret\n");

static void a_hypercall_puts_its_arguments_where_xen_reads_them(void **state)
{
	(void)state;
	answer = (uint64_t)-22;
	assert_int_equal(ptebatch_guest_hypercall(page, NR, 0x11, 0x22, 0x33,
						  0x44, 0x55),
			 -22);
	assert_int_equal(stored[0], NR);
	assert_int_equal(stored[1], 0x11);
	assert_int_equal(stored[2], 0x22);
	assert_int_equal(stored[3], 0x33);
	assert_int_equal(stored[4], 0x44);
	assert_int_equal(stored[5], 0x55);
}

/* Arguments 2 to 4 as they are after a call that Xen answers -ENOSYS. */
static int64_t gone(uint32_t nr, uint64_t a2, uint64_t a3, uint64_t a4)
{
	answer = (uint64_t)-PTEBATCH_ENOSYS;
	after[0] = a2;
	after[1] = a3;
	after[2] = a4;
	return ptebatch_guest_hypercall(page, nr, 0x1000, (uint32_t)a2, a3,
					(uint32_t)a4, 0);
}

static void a_call_that_is_gone_tells_its_progress_in_registers(void **state)
{
	const uint64_t half = 5 | 3ull << 32;

	(void)state;
	/* A run in registers: its arguments 4 and 5 are masks or a value. */
	assert_int_equal(gone(50, half, PTEBATCH_OP_FLAGS, ~0ull),
			 (int64_t)PTEBATCH_ANSWER(3, 0, PTEBATCH_GONE));
	assert_int_equal(gone(50, half, PTEBATCH_OP_TAKE, ~0ull),
			 (int64_t)PTEBATCH_ANSWER(3, 0, PTEBATCH_GONE));
	/* A list, and a list of which only slots of the first run are done. */
	assert_int_equal(gone(50, half, PTEBATCH_HOW_LIST, 7 | 2ull << 32),
			 (int64_t)PTEBATCH_ANSWER(3, 2, PTEBATCH_GONE));
	assert_int_equal(gone(50, 5, PTEBATCH_HOW_LIST, 7 | 2ull << 32),
			 (int64_t)PTEBATCH_ANSWER(0, 2, PTEBATCH_GONE));
	assert_int_equal(gone(51, half, 0, 7),
			 (int64_t)PTEBATCH_ANSWER(3, 0, PTEBATCH_GONE));
	/* None of anything, and another hypercall, has no progress. */
	assert_int_equal(gone(50, 5, PTEBATCH_OP_FLAGS, ~0ull), -38);
	assert_int_equal(gone(50, 5, PTEBATCH_HOW_LIST, 7), -38);
	assert_int_equal(gone(51, 5, 0, 7), -38);
	assert_int_equal(gone(17, ~0ull, 0, 0), -38);
	/* Another answer is the answer, whatever the registers are. */
	answer = (uint64_t)-1;
	assert_int_equal(ptebatch_guest_hypercall(page, 50, 0, 5, 0, 0, 0), -1);
	answer = 5;
	assert_int_equal(ptebatch_guest_hypercall(page, 50, 0, 5, 0, 0, 0), 5);
}

/* Inlined into a loop that keeps as many values in registers as it can. */
static void a_hypercall_loses_no_register_of_its_caller(void **state)
{
	uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, i;

	(void)state;
	answer = 1;
	for (i = 0; i < 10; i++) {
		a += (uint64_t)ptebatch_guest_hypercall(page, NR, b, c, d, e,
							f);
		assert_int_equal(stored[1], b);
		assert_int_equal(stored[5], f);
		b += i;
		c += i;
		d += i;
		e += i;
		f += i;
		g += i;
	}
	assert_int_equal(a, 11);
	assert_int_equal(b + c + d + e + f + g, 27 + 6 * 45);
}

static void an_env_makes_it_by_its_context(void **state)
{
	struct ptebatch_env env = { .hypercall = ptebatch_guest_hypercall,
				    .ctx = page };

	(void)state;
	answer = 0;
	assert_int_equal(env.hypercall(env.ctx, 51, 1, 2, 3, 4, 5), 0);
	assert_int_equal(stored[0], 51);
	assert_int_equal(stored[1], 1);
	assert_int_equal(stored[5], 5);
}

static uint32_t submap;
static int64_t refusal;

static int64_t version(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
		       uint64_t a3, uint64_t a4, uint64_t a5)
{
	uint32_t *info = (uint32_t *)(uintptr_t)a2;

	assert_ptr_equal(ctx, &submap);
	assert_int_equal(nr, 17); /* xen_version */
	assert_int_equal(a1, 6); /* XENVER_get_features */
	assert_int_equal(a3 | a4 | a5, 0);
	assert_int_equal(info[0], 0);
	info[1] = submap;
	return refusal;
}

static void the_features_say_whether_xen_preserves_a_and_d(void **state)
{
	struct ptebatch_env env = { .hypercall = version, .ctx = &submap };

	(void)state;
	submap = 1u << 5;
	assert_int_equal(ptebatch_guest_features(&env),
			 PTEBATCH_ENV_PRESERVE_AD);
	submap = ~submap;
	assert_int_equal(ptebatch_guest_features(&env), 0);
	submap = 1u << 5;
	refusal = -38;
	assert_int_equal(ptebatch_guest_features(&env), 0);
}

static void requests_are_for_all_or_for_one_page(void **state)
{
	struct ptebatch_tlb page = ptebatch_tlb_page(PTEBATCH_TLB_LOCAL, 0x7fff);

	(void)state;
	assert_int_equal(page.who, PTEBATCH_TLB_LOCAL);
	assert_int_equal(page.addr, 0x7000);
	assert_int_equal(page.pages, 1);
	assert_int_equal(page.nr_vcpus | page.vcpus, 0);
	assert_int_equal(ptebatch_tlb_all.who, PTEBATCH_TLB_ALL);
	assert_int_equal(ptebatch_tlb_all.addr | ptebatch_tlb_all.pages, 0);
	assert_int_equal(ptebatch_tlb_all.nr_vcpus | ptebatch_tlb_all.vcpus, 0);
}

/* A Xen with all operations, which says that the one slot is done, or fails. */
static uint64_t made[6]; /* number, arguments */
static int64_t result;
static unsigned int calls;

static int64_t single(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
		      uint64_t a3, uint64_t a4, uint64_t a5)
{
	const uint64_t args[6] = { nr, a1, a2, a3, a4, a5 };

	(void)ctx;
	calls++;
	memcpy(made, args, sizeof(made));
	if (result == 1 && PTEBATCH_HOW_OP(a3) == PTEBATCH_OP_TAKE)
		*(uint64_t *)(uintptr_t)a4 = 0x1234067;
	return result;
}

static void check_made(uint64_t slot, uint64_t how, uint64_t a4)
{
	const uint64_t args[6] = { NR, slot, 1, how, a4, 0 };

	assert_int_equal(calls, 1);
	assert_memory_equal(made, args, sizeof(made));
	calls = 0;
}

static void one_entry_changes_by_one_hypercall_in_registers(void **state)
{
	struct ptebatch_env env = { .hypercall = single,
				    .have = PTEBATCH_HAVE_RUNS |
					    PTEBATCH_HAVE_SET |
					    PTEBATCH_HAVE_TAKE };
	struct ptebatch_tlb here = ptebatch_tlb_page(PTEBATCH_TLB_LOCAL, 0x7fff);
	const struct ptebatch_backend *const backend = &ptebatch_hypercall;
	uint64_t old = 0;

	(void)state;
	result = 1;
	assert_int_equal(ptebatch_guest_set_pte(backend, &env, 0x5008, 0x9067,
						PTEBATCH_SET_KEEP_AD, NULL),
			 0);
	check_made(0x5008 | PTEBATCH_SET_KEEP_AD, PTEBATCH_OP_SET, 0x9067);
	assert_int_equal(ptebatch_guest_set_pte(backend, &env, 0x5008, 0x9067,
						PTEBATCH_SET_EXACT, &here),
			 0);
	check_made(0x5008, 0x7050 | PTEBATCH_OP_SET, 0x9067);
	assert_int_equal(ptebatch_guest_clear_pte(backend, &env, 0x5008, &old,
						  &ptebatch_tlb_all),
			 0);
	check_made(0x5008, 0x20 | PTEBATCH_OP_TAKE, (uintptr_t)&old);
	assert_int_equal(old, 0x1234067);
	assert_int_equal(ptebatch_guest_clear_pte(backend, &env, 0x5008, NULL,
						  &here),
			 0);
	check_made(0x5008, 0x7050 | PTEBATCH_OP_CLEAR, 0);
	/* What is refused by the library or by Xen. */
	assert_int_equal(ptebatch_guest_set_pte(backend, &env, 0x5008, 0, 1,
						NULL),
			 -PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_guest_clear_pte(backend, &env, 0x5004, NULL,
						  NULL),
			 -PTEBATCH_EINVAL);
	assert_int_equal(calls, 0);
	result = (int64_t)PTEBATCH_ANSWER(0, 0, PTEBATCH_EBUSY);
	assert_int_equal(ptebatch_guest_set_pte(backend, &env, 0x5008, 0,
						PTEBATCH_SET_EXACT, NULL),
			 -PTEBATCH_EBUSY);
	assert_int_equal(ptebatch_guest_clear_pte(backend, &env, 0x5008, &old,
						  NULL),
			 -PTEBATCH_EBUSY);
}

#define TEST(f) cmocka_unit_test(f)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_hypercall_puts_its_arguments_where_xen_reads_them),
		TEST(a_hypercall_loses_no_register_of_its_caller),
		TEST(a_call_that_is_gone_tells_its_progress_in_registers),
		TEST(an_env_makes_it_by_its_context),
		TEST(the_features_say_whether_xen_preserves_a_and_d),
		TEST(requests_are_for_all_or_for_one_page),
		TEST(one_entry_changes_by_one_hypercall_in_registers),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("guest", tests, NULL, NULL);
}
