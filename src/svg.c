/*
 * svg.c
 *	  Bars and their scales, drawn as SVG that is part of a page.
 *
 * A drawing is stretched to the room it gets, on a telephone as on paper, and so has no text:
 * labels are HTML that is put beside it, by per cent of its width and height.
 */
#include "cms.h"

#include <math.h>

#include "svg.h"

/* Units of a drawing, whatever its size. */
#define WIDTH 1000.0
#define HEIGHT 100.0

/* What is more than nothing is seen. */
#define LEAST_HEIGHT 0.8

/* Labels below the bars. */
#define MOST_TICKS 7

/* The part of its place that a bar fills. */
#define FILL 0.78

static void put_scale(StringInfo out, double top, double step, bool is_rate);
static void put_lines(StringInfo out, double top, double step);
static void put_bars(StringInfo out, const CmsChart *chart, double top);
static void put_ticks(StringInfo out, const CmsChart *chart);
static void put_value(StringInfo out, double value, double step, bool is_rate);

void
cms_svg_chart(StringInfo out, const CmsChart *chart)
{
	double largest = 0;
	double step;
	double top;

	for (int i = 0; i < chart->nbars; i++)
		if (!isnan(chart->bars[i].value))
			largest = Max(largest, chart->bars[i].value);
	top = cms_svg_scale(largest, chart->is_whole, &step);

	appendStringInfo(out,
					 "<figure class=\"chart %s\"><figcaption><h3>%s</h3> <span>%s</span>"
					 "</figcaption>\n",
					 chart->colour,
					 chart->title,
					 chart->note);
	if (largest == 0)
	{
		appendStringInfo(out, "<p class=\"none\">%s</p></figure>\n", chart->summary);
		return;
	}
	appendStringInfoString(out, "<div class=\"plot\">");
	put_scale(out, top, step, chart->is_rate);
	appendStringInfo(out,
					 "<svg viewBox=\"0 0 %g %g\" preserveAspectRatio=\"none\" role=\"img\""
					 " aria-label=\"%s\">",
					 WIDTH,
					 HEIGHT,
					 chart->summary);
	put_lines(out, top, step);
	put_bars(out, chart, top);
	appendStringInfoString(out, "</svg>");
	put_ticks(out, chart);
	appendStringInfoString(out, "</div></figure>\n");
}

/* 1, 2 or 5 times a power of ten, four to six lines. */
double
cms_svg_scale(double largest, bool is_whole, double *step)
{
	double rough = largest / 4;
	double power;

	if (!(largest > 0) || isinf(largest))
	{
		*step = 1;
		return 1;
	}
	power = pow(10, floor(log10(rough)));
	*step = power;
	if (rough > power * 1.0000001)
		*step = 2 * power;
	if (rough > 2 * power * 1.0000001)
		*step = 5 * power;
	if (rough > 5 * power * 1.0000001)
		*step = 10 * power;
	if (is_whole && *step < 1)
		*step = 1;
	return *step * ceil(largest / *step - 0.0000001);
}

static void
put_scale(StringInfo out, double top, double step, bool is_rate)
{
	appendStringInfoString(out, "<div class=\"ys\" aria-hidden=\"true\">");
	for (int line = 0; line * step <= top * 1.0000001; line++)
	{
		appendStringInfo(out, "<span style=\"bottom:%.2f%%\">", 100 * line * step / top);
		put_value(out, line * step, step, is_rate);
		appendStringInfoString(out, "</span>");
	}
	appendStringInfoString(out, "</div>");
}

static void
put_lines(StringInfo out, double top, double step)
{
	appendStringInfoString(out, "<path class=\"grid\" d=\"");
	for (int line = 1; line * step <= top * 1.0000001; line++)
		appendStringInfo(out, "M0 %.2fH%g", HEIGHT * (1 - line * step / top), WIDTH);
	appendStringInfo(out, "\"/><path class=\"base\" d=\"M0 %gH%g\"/>", HEIGHT, WIDTH);
}

/* A place is as high as the drawing, so that one can point at it also where its bar is low. */
static void
put_bars(StringInfo out, const CmsChart *chart, double top)
{
	double place = WIDTH / chart->nbars;

	for (int i = 0; i < chart->nbars; i++)
	{
		const CmsBar *bar = &chart->bars[i];
		double height = isnan(bar->value) ? 0 : HEIGHT * bar->value / top;

		if (height <= 0)
			continue;
		height = Max(height, LEAST_HEIGHT);
		appendStringInfo(out,
						 "<g><title>%s</title><path class=\"place\" d=\"M%.2f 0h%.2fv%gh-%.2fz\"/>"
						 "<path class=\"bar\" d=\"M%.2f %.2fh%.2fv%.2fh-%.2fz\"/></g>",
						 bar->tip,
						 i * place,
						 place,
						 HEIGHT,
						 place,
						 (i + (1 - FILL) / 2) * place,
						 HEIGHT - height,
						 place * FILL,
						 height,
						 place * FILL);
	}
}

/* Below the middle of their bars; every other one gives way where there is little room. */
static void
put_ticks(StringInfo out, const CmsChart *chart)
{
	int every = (chart->nbars + MOST_TICKS - 1) / MOST_TICKS;

	appendStringInfoString(out, "<div class=\"xs\" aria-hidden=\"true\">");
	for (int i = 0, n = 0; i < chart->nbars; i += every, n++)
		appendStringInfo(out,
						 "<span%s style=\"left:%.2f%%\">%s</span>",
						 n % 2 == 1 ? " class=\"other\"" : "",
						 100 * (i + 0.5) / chart->nbars,
						 chart->bars[i].tick);
	appendStringInfoString(out, "</div>");
}

static void
put_value(StringInfo out, double value, double step, bool is_rate)
{
	static const char *const suffixes[] = {"", "k", "M", "bn", "tn"};
	int thousands = 0;

	if (is_rate)
	{
		appendStringInfo(
			out, "%.*f&#8239;%%", step < 0.01 ? (step < 0.001 ? 2 : 1) : 0, 100 * value);
		return;
	}
	while (value >= 1000 && thousands < lengthof(suffixes) - 1)
	{
		value /= 1000;
		step /= 1000;
		thousands++;
	}
	appendStringInfo(out,
					 "%.*f%s",
					 value == 0 || step >= 1 ? 0 : Min((int) ceil(-log10(step)), 3),
					 value,
					 suffixes[thousands]);
}

void
cms_svg_meter(StringInfo out, double value, double highest, const char *colour)
{
	double width = 0;

	if (value > 0 && highest > 0)
		width = Max(100 * Min(value / highest, 1), LEAST_HEIGHT);
	appendStringInfo(out,
					 "<svg class=\"meter %s\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\""
					 " aria-hidden=\"true\"><path class=\"track\" d=\"M0 0h100v10h-100z\"/>"
					 "<path class=\"bar\" d=\"M0 0h%.2fv10h-%.2fz\"/></svg>",
					 colour,
					 width,
					 width);
}
