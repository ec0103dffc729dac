/* SPDX-License-Identifier: MIT */
/*
 * A multiboot kernel that starts another one, Xen, with holes in memory: Xen
 * compresses frame numbers on a machine with holes only, and QEMU has none of
 * the right kind. tests/xen/run --sparse loads it.
 *
 * Its command line is the memory that the other kernel gets to see, as ranges
 * "START-END" in hexadecimal, of what the machine has there. Its first module
 * is the other kernel, with that one's command line; the rest are its modules.
 *
 * Freestanding 32-bit code, as the boot loader left the machine.
 */
#include <stdint.h>

#define LOADER_MAGIC 0x2badb002
#define HAS_MMAP 0x40	 /* in struct info */
#define RAM 1

struct info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
	uint32_t mods_count, mods_addr, syms[4], mmap_length, mmap_addr;
};
struct module {
	uint32_t start, end, string, reserved;
};
struct range {
	uint32_t size; /* of what follows */
	uint64_t addr, len;
	uint32_t type;
} __attribute__((packed));
struct elf {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version, entry, phoff, shoff, flags;
	uint16_t ehsize, phentsize, phnum;
};
struct segment {
	uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};

/* The header asks for a memory map. */
__asm__(".p2align 2\n"
	".long 0x1badb002, 2, -(0x1badb002 + 2)\n"
	".globl _start\n"
	"_start:\n"
	"	mov $stack_end, %esp\n"
	"	push %ebx\n"
	"	push %eax\n"
	"	call start\n"
	"	ud2\n"
	".lcomm stack, 4096\n"
	".set stack_end, stack + 4096\n");

static struct range map[64];

static void copy(uint32_t to, uint32_t from, uint32_t n)
{
	__asm__ volatile("rep movsb"
			 : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static void clear(uint32_t to, uint32_t n)
{
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(0) : "memory");
}

static uint64_t number(const char **p)
{
	uint64_t n = 0;

	for (;; ++*p) {
		char c = **p;

		if (c >= '0' && c <= '9')
			n = n << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			n = n << 4 | (uint64_t)(c - 'a' + 10);
		else
			return n;
	}
}

/* Adds what of this range of the machine's RAM the command line lists. */
static unsigned int listed(const struct range *r, const char *p, unsigned int n)
{
	while (*p) {
		uint64_t start, end;

		/* QEMU puts its name for the kernel in front. */
		if (*p < '0' || *p > '9' || p[-1] != ' ') {
			p++;
			continue;
		}
		start = number(&p);
		if (*p++ != '-')
			__builtin_trap();
		end = number(&p);
		if (start < r->addr)
			start = r->addr;
		if (end > r->addr + r->len)
			end = r->addr + r->len;
		if (start >= end)
			continue;
		if (n == sizeof(map) / sizeof(*map))
			__builtin_trap();
		map[n++] = (struct range){sizeof(*r) - sizeof(r->size), start,
					  end - start, RAM};
	}
	return n;
}

__attribute__((noreturn, used)) void start(uint32_t magic, struct info *info);
void start(uint32_t magic, struct info *info)
{
	const char *cmdline = (const char *)info->cmdline;
	struct module *kernel = (struct module *)info->mods_addr;
	const struct elf *elf = (const struct elf *)kernel->start;
	const struct segment *s =
		(const struct segment *)(kernel->start + elf->phoff);
	uint32_t at = info->mmap_addr, end = at + info->mmap_length;
	unsigned int n = 0;

	if (magic != LOADER_MAGIC || !(info->flags & HAS_MMAP) ||
	    !info->mods_count || elf->ident[0] != 0x7f || elf->ident[4] != 1)
		__builtin_trap();

	for (; at < end; at += ((const struct range *)at)->size + 4) {
		const struct range *r = (const struct range *)at;

		if (r->type == RAM)
			n = listed(r, cmdline, n);
		else if (n < sizeof(map) / sizeof(*map))
			map[n++] = *r;
	}
	for (unsigned int i = 0; i < n; i++)
		map[i].size = sizeof(*map) - sizeof(map->size);

	for (unsigned int i = 0; i < elf->phnum; i++, s++) {
		if (s->type != 1)
			continue;
		copy(s->paddr, kernel->start + s->offset, s->filesz);
		clear(s->paddr + s->filesz, s->memsz - s->filesz);
	}

	info->mmap_addr = (uint32_t)map;
	info->mmap_length = n * sizeof(*map);
	info->cmdline = kernel->string;
	info->mods_addr += sizeof(*kernel);
	info->mods_count--;
	__asm__ volatile("jmp *%2"
			 : : "a"(LOADER_MAGIC), "b"(info), "r"(elf->entry));
	__builtin_unreachable();
}
