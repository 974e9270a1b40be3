/*
 * errors.h
 *	  SQLSTATEs of the class MS, for calls that make no sense. What a rule
 *	  refuses is not an error but a row with a reason, see reason.h.
 */
#ifndef CMS_ERRORS_H
#define CMS_ERRORS_H

#include "utils/elog.h"

/* the offer does not exist in the org of the call */
#define CMS_ERRCODE_UNKNOWN_OFFER MAKE_SQLSTATE('M', 'S', '0', '0', '1')
/* no org is named and the caller may use none or several */
#define CMS_ERRCODE_ORG_UNDETERMINED MAKE_SQLSTATE('M', 'S', '0', '0', '2')
/* a setting that is fixed at creation was changed */
#define CMS_ERRCODE_SETTING_IS_FIXED MAKE_SQLSTATE('M', 'S', '0', '0', '3')
/* revoking needs confirm => true */
#define CMS_ERRCODE_NOT_CONFIRMED MAKE_SQLSTATE('M', 'S', '0', '0', '4')
/* more codes than the pattern or the guess guard allows */
#define CMS_ERRCODE_CODES_DO_NOT_FIT MAKE_SQLSTATE('M', 'S', '0', '0', '5')
/* the table is written by the actions only */
#define CMS_ERRCODE_WRITTEN_BY_ACTIONS MAKE_SQLSTATE('M', 'S', '0', '0', '6')
/* the offer makes its codes in another way */
#define CMS_ERRCODE_WRONG_CODE_METHOD MAKE_SQLSTATE('M', 'S', '0', '0', '7')
/* the offer has issued or redeemed and cannot be deleted */
#define CMS_ERRCODE_OFFER_IN_USE MAKE_SQLSTATE('M', 'S', '0', '0', '8')
/* the redemption does not exist in the org of the call */
#define CMS_ERRCODE_UNKNOWN_REDEMPTION MAKE_SQLSTATE('M', 'S', '0', '0', '9')
/* the till belongs to another store than the one given */
#define CMS_ERRCODE_TILL_CONTRADICTS_STORE MAKE_SQLSTATE('M', 'S', '0', '1', '0')
/* the offer's scope does not use the list */
#define CMS_ERRCODE_LIST_NOT_USED MAKE_SQLSTATE('M', 'S', '0', '1', '1')
/* a setting wants a code that is taken or reserved */
#define CMS_ERRCODE_CODE_TAKEN MAKE_SQLSTATE('M', 'S', '0', '1', '2')
/* the job_key was used for another request */
#define CMS_ERRCODE_JOB_KEY_CONFLICT MAKE_SQLSTATE('M', 'S', '0', '1', '3')

#endif
