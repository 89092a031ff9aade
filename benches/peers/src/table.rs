//! Tables in Markdown.

/// Prints a heading, and a table whose first column is text and whose others are numbers.
pub fn print(heading: &str, columns: &[&str], rows: &[Vec<String>]) {
    println!("\n### {heading}\n");
    println!("| {} |", columns.join(" | "));
    println!("| --- |{}", " ---: |".repeat(columns.len() - 1));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
}

/// `ours` as a part of `other`.
pub fn ratio(ours: f64, other: f64) -> String {
    if other > 0.0 { format!("{:.2}", ours / other) } else { "–".to_owned() }
}

/// With its thousands apart.
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}
