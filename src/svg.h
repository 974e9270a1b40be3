/*
 * svg.h
 *	  Bars and their scales, drawn as SVG that is part of a page. Pure.
 */
#ifndef CMS_SVG_H
#define CMS_SVG_H

#include "lib/stringinfo.h"

typedef struct CmsBar
{
	double value;     /* NaN: there is none */
	const char *tip;  /* what it says when one points at it: HTML */
	const char *tick; /* what stands below it, where there is room: HTML */
} CmsBar;

typedef struct CmsChart
{
	const char *title;   /* HTML, as all texts here */
	const char *note;    /* what a bar is */
	const char *summary; /* the chart in a sentence */
	const char *colour;  /* a class of the style sheet */
	const CmsBar *bars;
	int nbars;
	bool is_rate;  /* values are from 0 to 1 */
	bool is_whole; /* values are counts */
} CmsChart;

/* a figure with a title; texts of the axes are HTML, so that they keep their size */
extern void cms_svg_chart(StringInfo out, const CmsChart *chart);
/* a bar of a part of what is highest, for a cell of a table; what it shows stands beside it */
extern void cms_svg_meter(StringInfo out, double value, double highest, const char *colour);
/* the top of a round scale for values up to the largest, and the distance of its lines */
extern double cms_svg_scale(double largest, bool is_whole, double *step);

#endif
