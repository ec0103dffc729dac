;;; SPDX-License-Identifier: MIT
;;; Builds long-lived trees, in a table that changes, and short-lived ones. ecl
;;; runs this with GC_ENABLE_INCREMENTAL=1: libgc then collects incrementally,
;;; and protects pages by mprotect to learn which of them were written
;;; meanwhile.
(defun tree (depth)
  (if (zerop depth)
      (cons nil nil)
      (cons (tree (1- depth)) (tree (1- depth)))))

(defun nodes (tree)
  (if (car tree)
      (+ 1 (nodes (car tree)) (nodes (cdr tree)))
      1))

(let ((old (tree 16))
      (table (make-hash-table))
      (sum 0))
  (dotimes (i 40)
    (setf (gethash (mod i 20) table) (tree 8))
    (incf sum (nodes (tree 11))))
  (maphash (lambda (key tree)
             (declare (ignore key))
             (incf sum (nodes tree)))
           table)
  (format t "~a ~a~%" (nodes old) sum))
