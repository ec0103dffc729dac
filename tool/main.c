/* SPDX-License-Identifier: MIT */
#include "tool.h"

int main(int argc, char **argv)
{
	return ptebatch_main(argc, argv);
}
