/* SPDX-License-Identifier: MIT */
/*
 * Bars: two for each label, the first without the library and the second with.
 * Bars of one group have one scale.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

#define COLUMNS 40

static const char *const what[2] = { "Xen's own calls", "the new calls" };
static const char *const colour[2] = { "#9a9a9a", "#1f6fb2" };

static double most(const struct bar *bars, unsigned int nr, unsigned int group)
{
	double m = 0;

	for (unsigned int i = 0; i < nr; i++)
		for (int j = 0; j < 2; j++)
			if (bars[i].group == group && bars[i].value[j] > m)
				m = bars[i].value[j];
	return m > 0 ? m : 1;
}

void plot_text(const struct bar *bars, unsigned int nr, const char *unit)
{
	for (unsigned int i = 0; i < nr; i++)
		for (int j = 0; j < 2; j++) {
			double scale = COLUMNS / most(bars, nr, bars[i].group);
			double v = bars[i].value[j];

			printf("%-26s %c ", j ? "" : bars[i].label,
			       j ? '#' : '-');
			if (v < 0) {
				printf("not measured\n");
				continue;
			}
			for (int k = 0; k < (int)(v * scale + 0.5); k++)
				putchar(j ? '#' : '-');
			printf(" %.0f\n", v);
		}
	printf("%s; \"-\" %s, \"#\" %s\n", unit, what[0], what[1]);
}

int plot_svg(const char *path, const struct bar *bars, unsigned int nr,
	     const char *title, const char *unit)
{
	const unsigned int height = 70 + 44 * nr;
	FILE *f = fopen(path, "we");
	int bad;

	if (!f)
		return fail(TOOL_FAILED, "%s: %s", path, strerror(errno));
	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 %u\" font-family=\"sans-serif\" font-size=\"13\">\n"
		"<rect width=\"760\" height=\"%u\" fill=\"#fff\"/>\n"
		"<text x=\"10\" y=\"22\" font-size=\"16\">%s</text>\n",
		height, height, title);
	for (int j = 0; j < 2; j++)
		fprintf(f,
			"<rect x=\"%d\" y=\"34\" width=\"12\" height=\"12\" fill=\"%s\"/><text x=\"%d\" y=\"45\">%s</text>\n",
			10 + 180 * j, colour[j], 27 + 180 * j, what[j]);
	fprintf(f, "<text x=\"380\" y=\"45\" fill=\"#555\">%s</text>\n", unit);
	for (unsigned int i = 0; i < nr; i++) {
		const double scale = 420 / most(bars, nr, bars[i].group);
		const unsigned int y = 62 + 44 * i;

		fprintf(f, "<text x=\"10\" y=\"%u\">%s</text>\n", y + 20,
			bars[i].label);
		for (int j = 0; j < 2; j++) {
			double v = bars[i].value[j];

			if (v < 0)
				continue;
			fprintf(f,
				"<rect x=\"240\" y=\"%u\" width=\"%.1f\" height=\"15\" fill=\"%s\"/><text x=\"%.1f\" y=\"%u\">%.0f</text>\n",
				y + 16u * (unsigned int)j, v * scale, colour[j],
				246 + v * scale, y + 12 + 16u * (unsigned int)j,
				v);
		}
	}
	fprintf(f, "</svg>\n");
	bad = ferror(f);
	if (fclose(f) || bad)
		return fail(TOOL_FAILED, "%s: cannot be written", path);
	return 0;
}
