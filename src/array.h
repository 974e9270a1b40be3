/*
 * array.h
 *	  Arrays of text and of bigint, as statements and callables take and give them.
 *	  Pure. Results are palloc'd in the current context.
 */
#ifndef CMS_ARRAY_H
#define CMS_ARRAY_H

/* a NULL pointer becomes a NULL element */
extern Datum cms_array_of_texts(const char *const *texts, int count);
extern Datum cms_array_of_int64s(const int64 *numbers, int count);
/* the same, "nulls" telling which elements are NULL */
extern Datum cms_array_of_nullable_int64s(const int64 *numbers, bool *nulls, int count);

/* the elements, in one dimension whatever the array has; answer how many. NULL elements are NULL pointers, and 0 */
extern int cms_array_texts(Datum array, char ***texts);
extern int cms_array_int64s(Datum array, int64 **numbers);

#endif
