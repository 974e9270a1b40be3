/*
 * number.h
 *	  Numbers of new rows.
 */
#ifndef CMS_NUMBER_H
#define CMS_NUMBER_H

extern int64 cms_number_of_coupon(void);
extern int64 cms_number_of_redemption(void);
extern int64 cms_number_of_hold(void);

#endif
